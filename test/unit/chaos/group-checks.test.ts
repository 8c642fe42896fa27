import { describe, expect, test } from "vitest";
import { commitsNeverMoveBack, earlierOwnersAreFenced, groupsSkipNothing, oneOwner } from "../../chaos/checks/groups.ts";
import { commit, committed, evidence, fault, handed, ownership } from "./made-up.ts";

describe("a committed position", () => {
  test("moves on", () => {
    const events = [commit("a", 10, 100), committed(10, 200), commit("a", 20, 300), committed(20, 400)];
    expect(commitsNeverMoveBack(evidence(events))).toEqual([]);
  });

  test("is below one that was accepted before it was asked for", () => {
    const found = commitsNeverMoveBack(evidence([commit("a", 20, 100), committed(10, 200)]));
    expect(found).toMatchObject([{ what: "g on orders-0: the position is 10, and a committed 20 105 ms before" }]);
  });

  test("is below one that was told before", () => {
    expect(commitsNeverMoveBack(evidence([committed(20, 100), committed(10, 200)]))).toHaveLength(1);
  });

  test("is below one that was refused, or accepted only meanwhile: no complaint", () => {
    expect(commitsNeverMoveBack(evidence([commit("a", 20, 100, false), committed(10, 200)]))).toEqual([]);
    expect(commitsNeverMoveBack(evidence([commit("a", 20, 203), committed(10, 200)]))).toEqual([]);
  });

  test("is moved back by a client that may do so, and is not to move back by itself from there", () => {
    const back = (offset: number, at: number) => ({ ...commit("b", offset, at), mayMoveBack: true });
    const events = [commit("a", 20, 100), committed(20, 150), back(10, 200)];
    expect(commitsNeverMoveBack(evidence([...events, committed(10, 210), committed(10, 300)]))).toEqual([]);
    // asked before the commit was sent, and before it was answered
    expect(commitsNeverMoveBack(evidence([...events, committed(20, 194), committed(10, 199), committed(10, 300)]))).toEqual([]);
    expect(commitsNeverMoveBack(evidence([...events, back(15, 300), committed(10, 400)]))).toHaveLength(1);
    expect(commitsNeverMoveBack(evidence([commit("a", 20, 100), commit("b", 10, 200), committed(10, 300)]))).toHaveLength(1);
  });
});

describe("a partition of a group", () => {
  test("goes from one owner to the next", () => {
    const events = [ownership("owns", "a", 0), ownership("gives-up", "a", 100), ownership("owns", "b", 101)];
    expect(oneOwner(evidence(events))).toEqual([]);
  });

  test("has two owners for longer than a session", () => {
    const events = [ownership("owns", "a", 0), ownership("owns", "b", 1_000), ownership("gives-up", "a", 20_000)];
    expect(oneOwner(evidence(events))).toMatchObject([{ what: "g on orders-0: a and b both had it, for 19000 ms without any fault" }]);
  });

  test("has two owners that never give it up", () => {
    expect(oneOwner(evidence([ownership("owns", "a", 0), ownership("owns", "b", 1_000)]))).toHaveLength(1);
  });

  test("has two owners as long as a fault keeps the one from learning of it", () => {
    const events = [ownership("owns", "a", 0), ownership("owns", "b", 1_000), ownership("gives-up", "a", 20_000)];
    expect(oneOwner(evidence([...events, fault("begins", 500), fault("whole", 15_000)]))).toEqual([]);
  });

  test("takes a commit of an earlier owner", () => {
    const events = [ownership("owns", "a", 0), ownership("owns", "b", 100), commit("b", 10, 200), commit("a", 5, 300)];
    expect(earlierOwnersAreFenced(evidence(events))).toMatchObject([
      { what: "g on orders-0: a committed 5 after b, the owner since, had committed 10" },
    ]);
  });

  test("takes a commit of an earlier owner that owns it again", () => {
    const again = [ownership("gives-up", "a", 90), ownership("owns", "b", 100), commit("b", 10, 200), ownership("owns", "a", 250)];
    expect(earlierOwnersAreFenced(evidence([ownership("owns", "a", 0), ...again, commit("a", 15, 300)]))).toEqual([]);
  });

  test("takes a commit that was sent before, and repeated as the owner", () => {
    const again = [ownership("gives-up", "a", 90), ownership("owns", "b", 100), commit("b", 10, 200), ownership("owns", "a", 298)];
    expect(earlierOwnersAreFenced(evidence([ownership("owns", "a", 0), ...again, commit("a", 15, 300)]))).toEqual([]);
  });

  test("is committed beyond what was handed out", () => {
    const events = [handed("a", 0, 10, 1), handed("b", 12, 20, 2), committed(20, 100)];
    expect(groupsSkipNothing(evidence(events))).toMatchObject([
      { what: "g on orders-0: 20 is committed, and no member was handed offset 10" },
    ]);
    expect(groupsSkipNothing(evidence([...events, handed("b", 5, 12, 3)]))).toEqual([]);
  });
});

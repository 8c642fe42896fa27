import { describe, expect, test } from "vitest";
import { updateFeaturesApi } from "../../../broker/api/update-features.ts";
import { FakeController } from "./fake-controller.ts";
import { answerOf } from "./fixtures.ts";

describe("UpdateFeatures", () => {
  const api = (controller: FakeController) => updateFeaturesApi(controller);
  const change = (feature: string, maxVersionLevel: number, more: { allowDowngrade?: boolean; upgradeType?: number } = {}) => ({
    ...{ feature, maxVersionLevel, allowDowngrade: false, upgradeType: 1 },
    ...more,
  });

  test("passes on all of a request at once in every version, and answers feature by feature up to 1", async () => {
    for (const version of [0, 1, 2]) {
      const controller = new FakeController();
      const featureUpdates = [
        change("a", 2),
        change("b", 1, version === 0 ? { allowDowngrade: true } : { upgradeType: 2 }),
        ...(version === 0 ? [] : [change("c", -3, { upgradeType: 3 })]),
      ];
      const response = await answerOf(api(controller), { timeoutMs: 5, featureUpdates, validateOnly: version > 0 }, version);
      const names = version === 0 ? ["a", "b"] : ["a", "b", "c"];
      const results = names.map((feature) => ({ feature, errorCode: "NONE", errorMessage: null }));
      expect(response).toEqual({ throttleTimeMs: 0, errorCode: "NONE", errorMessage: null, results: version < 2 ? results : [] });
      expect(controller.calls).toEqual([
        {
          method: "updateFeatures",
          items: [
            { feature: "a", level: 2, kind: "upgrade" },
            { feature: "b", level: 1, kind: "safe-downgrade" },
            ...(version === 0 ? [] : [{ feature: "c", level: 0, kind: "unsafe-downgrade" }]),
          ],
          options: { timeoutMs: 5, validateOnly: version > 0 },
        },
      ]);
    }
  });

  test("refuses what makes no sense as a whole, and so does the controller", async () => {
    const controller = new FakeController();
    const refused = async (...featureUpdates: readonly ReturnType<typeof change>[]) =>
      (await answerOf(api(controller), { timeoutMs: 5, featureUpdates, validateOnly: false }, 1)).errorCode;
    expect(await refused(change("a", 1), change("a", 2))).toBe("INVALID_REQUEST");
    expect(await refused(change("", 1))).toBe("INVALID_REQUEST");
    expect(await refused(change("a", 1), change("b", 1, { upgradeType: 0 }))).toBe("INVALID_UPDATE_VERSION");
    expect(await refused(change("a", 1, { upgradeType: 4 }))).toBe("INVALID_UPDATE_VERSION");
    expect(controller.calls).toEqual([]);
    controller.error = "FEATURE_UPDATE_FAILED";
    const answer = await answerOf(api(controller), { timeoutMs: 5, featureUpdates: [change("a", 1)], validateOnly: false }, 1);
    expect(answer).toMatchObject({ errorCode: "FEATURE_UPDATE_FAILED", errorMessage: "no: features", results: [] });
    expect(api(controller).failed({ timeoutMs: 5, featureUpdates: [], validateOnly: false }, "NOT_CONTROLLER", "ask 2")).toMatchObject({
      errorCode: "NOT_CONTROLLER",
      errorMessage: "ask 2",
    });
  });
});

import { expect, test } from "vitest";
import { barIsDrawn, besideBar } from "../../../cli/output/beside-bar.ts";

test("a line takes the place of a bar that is drawn, whole, and the bar is drawn again below it", () => {
  expect(besideBar("told\n")).toBe("told\n");
  barIsDrawn(true);
  expect(besideBar("told\n")).toBe("\r\u001b[K\u001b[?7htold\n\u001b7\u001b[?7l");
  barIsDrawn(false);
  expect(besideBar("told\n")).toBe("told\n");
});

// What the package @ottla/client is on a Node that is too old for it. Nothing here may be newer than the oldest Node that someone has: what
// Node cannot read it reports as a SyntaxError.
"use strict";
var found = [process.versions.node, " (", process.execPath, ")"].join("");
throw new Error(["@ottla/client needs Node 24 or newer, and this is", found].join(" "));
// what it would export, for a program that imports it by name (deploy/client-package.mjs)

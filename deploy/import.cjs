// On its own: an old Node cannot read it.
const { pathToFileURL } = require("node:url");

module.exports = (file) => import(pathToFileURL(file).href);

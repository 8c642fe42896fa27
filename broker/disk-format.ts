/*
 * What is on a broker's disks, for tools that read them while no broker runs (`cli/offline`, `cli/recover`): the only module that they may
 * use for it. Formats and names of files, and the rules that their contents must follow; nothing that a running broker does.
 */

export { type ClusterNotes, clusterNotesName, decodeClusterNotes, type NotedTopic, readClusterNotes } from "./cluster/cluster-notes.ts";
export { metaPropertiesPath, parseMetaProperties } from "./cluster/meta-properties.ts";
export {
  classicGroupKeyVersion,
  groupMetadataKey,
  groupMetadataValue,
  offsetCommitKey,
  offsetCommitValue,
  offsetKeyVersions,
  readVersioned,
} from "./group/group-records.ts";
export { findStrays, type Stray } from "./log/directories/strays.ts";
export { decodeCheckpoint, decodeOffsets, type OffsetsByPartition, readIfThere } from "./log/files/checkpoint-file.ts";
export {
  type ClosedLogs,
  checksumOfCleanStop,
  decodeCleanStop,
  fromStart,
  type SegmentSizes,
} from "./log/files/clean-stop.ts";
export { decodeCleanShutdown, decodeControllerEpochFile, readControllerEpochFile } from "./log/files/directory-notes.ts";
export {
  fileNames,
  isDeletedDirectory,
  isLeftover,
  parsePartitionDirectory,
  parseSegmentFileName,
  parseSnapshotFileName,
  parseStrayDirectory,
  type SegmentFileKind,
  segmentFileKinds,
  segmentFileName,
  snapshotPath,
} from "./log/files/file-names.ts";
export {
  decodeDamage,
  decodePartitionMetadata,
  decodeStrayNote,
  readDamage,
  readTopicId,
} from "./log/files/folder-notes.ts";
export type { EpochStart, ProducerRow } from "./log/log-contract.ts";
export { LeaderEpochs } from "./log/partition-log/leader-epochs.ts";
export { decodeSnapshot } from "./log/producers/producer-snapshot.ts";
export { ProducerStates } from "./log/producers/producer-states.ts";
export { type AbortedTransaction, abortedIndexFormat, refuseEntry } from "./log/segment/aborted-index.ts";
export { refuseEpoch } from "./log/segment/batch-walk.ts";
export {
  type IndexFormat,
  type OffsetEntry,
  offsetIndexFormat,
  relativeOffsetMax,
  type TimeEntry,
  timeIndexFormat,
} from "./log/segment/index-file.ts";
export { segmentPath } from "./log/segment/segment.ts";
export { type BelievedGaps, readBelievedGaps, refuseJoin } from "./log/segment/segment-joins.ts";
export { codeOf, type File, type FileSystem } from "./runtime/files.ts";
export { nodeFileSystem } from "./runtime/node-files.ts";

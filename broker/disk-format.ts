/*
 * What there is on a broker's disks, for tools that read them while no broker runs (`cli/offline`, `cli/recover`): the only way to it from
 * outside. Formats and names of files, and the rules that what is in them must keep; nothing that a running broker does.
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
export { decodeCheckpoint, decodeOffsets, type OffsetsByPartition, readIfThere } from "./log/checkpoint-file.ts";
export { decodeCleanStop, fromStart } from "./log/clean-stop.ts";
export { decodeDamage, readDamage } from "./log/damage-note.ts";
export { decodeControllerEpochFile, readControllerEpochFile } from "./log/directories/controller-epoch-file.ts";
export { decodeStrayNote } from "./log/directories/stray-note.ts";
export { findStrays, type Stray } from "./log/directories/strays.ts";
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
} from "./log/file-names.ts";
export { type EpochStart, LeaderEpochs } from "./log/leader-epochs.ts";
export { decodePartitionMetadata, readTopicId } from "./log/partition-metadata.ts";
export type { ProducerRow } from "./log/producers/producer-entry.ts";
export { decodeSnapshot } from "./log/producers/producer-snapshot.ts";
export { ProducerStates } from "./log/producers/producer-states.ts";
export { refuseEpoch } from "./log/segment/batch-walk.ts";
export {
  type IndexFormat,
  type OffsetEntry,
  offsetIndexFormat,
  relativeOffsetMax,
  type TimeEntry,
  timeIndexFormat,
} from "./log/segment/index-format.ts";
export { segmentPath } from "./log/segment/segment.ts";
export { type BelievedGaps, readBelievedGaps, refuseJoin } from "./log/segment/segment-joins.ts";
export { codeOf, type File, type FileSystem } from "./runtime/files.ts";
export { nodeFileSystem } from "./runtime/node-files.ts";

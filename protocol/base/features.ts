/** Levels of a feature that a broker can act by, both inclusive. Level 0 is to be without it. */
export interface FeatureRange {
  readonly min: number;
  readonly max: number;
}

/** By name. */
export type SupportedFeatures = ReadonlyMap<string, FeatureRange>;

/** What the cluster as a whole acts by (KIP-584). */
export interface FinalizedFeatures {
  /** Rises with each change; -1: it is not known, or nothing has ever been finalized. */
  readonly epoch: number;
  /** By name. A feature that is not there is at level 0. */
  readonly levels: ReadonlyMap<string, number>;
}

export const nothingFinalized: FinalizedFeatures = { epoch: -1, levels: new Map() };

/** Far more than there are, so that what another tool writes is neither kept nor passed on without end. */
export const featuresMax = 100;
export const featureNameMax = 250;
export const featureLevelMax = 2 ** 15 - 1;

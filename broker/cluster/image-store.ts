import type { ClusterImage, ImageSource } from "./contract.ts";
import { emptyImage } from "./image.ts";

/** Holds the image and tells of each replacement. */
export class ImageStore implements ImageSource {
  readonly #listeners = new Set<(image: ClusterImage) => void>();
  #current: ClusterImage;

  constructor(clusterId: string) {
    this.#current = emptyImage(clusterId);
  }

  get current(): ClusterImage {
    return this.#current;
  }

  onChange(listener: (image: ClusterImage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  replace(image: ClusterImage): void {
    this.#current = image;
    for (const listener of [...this.#listeners]) listener(image);
  }
}

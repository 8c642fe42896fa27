# The benchmark's load, for brokers in other containers or on other machines: arguments are those of `npm run bench`.
# The first lines are those of the Dockerfile beside, so that an image builder does them once.
FROM node:24-bookworm-slim AS build
WORKDIR /ottla
COPY package.json package-lock.json ./
# without scripts: every native package we use ships its binary; the pinned Node is for checkouts, the image has its own
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY protocol protocol
COPY coordinator-client coordinator-client
COPY placement placement
COPY broker broker
COPY client client
COPY cli cli
COPY test test
RUN mkdir bench-results && chown node:node bench-results
USER node
ENV NODE_COMPILE_CACHE=/home/node/.cache/ottla/compiled
VOLUME /ottla/bench-results
ENTRYPOINT ["node", "test/bench/run.ts"]
CMD ["--quick"]

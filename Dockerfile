# The service alone: no dev dependency, no embedded PostgreSQL. TypeScript runs as it is; the console and the command line
# are built before.
FROM node:24-bookworm-slim AS built
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY web/package.json ./web/
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY docs/openapi.json ./docs/
COPY cli ./cli
COPY src ./src
COPY web ./web
RUN node web/build.ts && node cli/build.ts

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY web/package.json ./web/
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:24-bookworm-slim
# openshift-install is no Node and brings no certificates. Tini ends what an installer that was killed leaves: Node as the
# first process does not.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates tini && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json ./
COPY --from=built /app/cli/dist ./cli/dist
COPY --from=built /app/web/dist ./web/dist
COPY bin ./bin
COPY src ./src
COPY drizzle ./drizzle
COPY profiles ./profiles
# Group 0 may write: OpenShift runs it as a user of its own choice in that group.
RUN mkdir /data && chown 1000:0 /data && chmod 770 /data
# A number, because Kubernetes does not take a name for somebody who is not root.
USER 1000:0
ENV HOME=/data HOST=0.0.0.0 OCPCTL_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["tini", "--", "node", "src/main.ts"]
CMD ["all"]

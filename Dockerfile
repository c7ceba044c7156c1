# The service alone: no dev dependency, no embedded PostgreSQL. TypeScript runs as it is; the console is built before.
FROM node:24-slim AS console
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY web ./web
RUN npm ci --ignore-scripts && node web/build.ts

FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY web/package.json ./web/
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:24-slim AS command-line
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY web/package.json ./web/
RUN npm ci --ignore-scripts
COPY docs/openapi.json ./docs/
COPY src ./src
COPY cli ./cli
RUN node cli/build.ts

FROM node:24-slim
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json ./
COPY --from=command-line /app/cli/dist ./cli/dist
COPY bin ./bin
COPY src ./src
COPY --from=console /app/web/dist ./web/dist
COPY drizzle ./drizzle
COPY profiles ./profiles
RUN mkdir /data && chown node:node /data
USER node
ENV HOST=0.0.0.0 OCPCTL_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["node", "src/main.ts"]
CMD ["all"]

# The service alone: no dev dependency, no embedded PostgreSQL. TypeScript runs as it is.
FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional

FROM node:24-slim
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json ./
COPY bin ./bin
COPY src ./src
COPY drizzle ./drizzle
COPY profiles ./profiles
RUN mkdir /data && chown node:node /data
USER node
ENV HOST=0.0.0.0 OCPCTL_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["node", "src/main.ts"]
CMD ["all"]

# The image of Postern: dist/ and its packages, for every role. No demo, no fakes, no embedded Postgres, no tests.
FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund --omit=optional --ignore-scripts
COPY tsconfig.json tsconfig.build.json main.ts ./
COPY schema schema
COPY config config
COPY gateway gateway
COPY dispatch dispatch
COPY admin admin
COPY commands commands
# commands/demo.ts is checked against the demo it would import; nothing of the demo is copied into the image.
COPY demo demo
RUN node node_modules/typescript/bin/tsc -p tsconfig.build.json && rm -rf dist/demo
RUN npm prune --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24-bookworm-slim
ENV NODE_ENV=production NODE_OPTIONS=--enable-source-maps POSTERN_DATA=/var/lib/postern
# A volume that is mounted here takes over the folder's owner.
RUN mkdir /var/lib/postern && chown node:node /var/lib/postern
WORKDIR /app
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY --from=build /build/schema/sql schema/sql
COPY --from=build /build/gateway/browser/dist gateway/browser/dist
COPY LICENSE ./
USER node
EXPOSE 8377
# Alive, not ready: a Postgres that is away for a minute is no reason to kill who waits for it.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s CMD ["node", "-e", \
  "fetch(`http://127.0.0.1:${process.env.POSTERN_ADMIN_PORT||8378}/livez`).then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["start"]

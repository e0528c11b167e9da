# The server: gateway, worker and projector in one process. Chromium comes with the npm packages.
FROM node:24-bookworm-slim
WORKDIR /opt/skyagent
COPY . .
RUN npm ci --no-audit --no-fund && npm run -s build && mkdir -p /data && chown node:node /data
USER node
ENV SKYAGENT_HOME=/data/skyagent AGENT_FS_ROOT=/data/agentfs
EXPOSE 8787
CMD ["node", "dist/src/main.js"]

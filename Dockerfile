# One image for the controller, the node agents and the sidecars.
FROM node:22-bookworm-slim AS build
WORKDIR /squall
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build

FROM node:22-bookworm-slim
# nft, tc with its tables of distributions, ip; nsenter and flock (util-linux) are in the base.
RUN apt-get update && apt-get install -y --no-install-recommends nftables iproute2 && rm -rf /var/lib/apt/lists/*
COPY --from=build /squall/dist /opt/squall
RUN ln -s /opt/squall/squall.js /usr/local/bin/squall
ENTRYPOINT ["squall"]

"use strict";

// The page shows this server's own document only: it reads no address from the query, asks no validator and keeps no token.
SwaggerUIBundle({
  url: "../openapi.json",
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  docExpansion: "list",
  displayRequestDuration: true,
  filter: true,
  operationsSorter: "alpha",
  persistAuthorization: false,
  queryConfigEnabled: false,
  tagsSorter: "alpha",
  tryItOutEnabled: false,
  validatorUrl: null,
});

// Starts Swagger UI on the page of the API's documentation. It stands here and not in the page
// because our pages run no inline script.
"use strict";

const place = document.getElementById("kq-api-docs");

window.SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  presets: [window.SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  // Tried out here, requests come in the reader's session, which asks for this with changes.
  requestInterceptor(request) {
    const own = new URL(request.url, document.baseURI).origin === location.origin;
    if (own && request.method && request.method !== "GET") {
      request.headers["X-CSRFToken"] = place.dataset.csrf;
    }
    return request;
  },
});

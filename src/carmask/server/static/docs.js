// The API's page, from openapi.json.
import { $, json, make, setTheme, toast } from "/static/common.js";

const kindOf = (schema) => {
  if (!schema) return "";
  if (schema.format === "binary") return "file";
  if (schema.enum) return schema.enum.map((value) => `"${value}"`).join(" | ");
  if (schema.anyOf) return schema.anyOf.map(kindOf).filter((kind) => kind !== "null").join(" | ");
  if (schema.type === "array") return `list of ${kindOf(schema.items) || "values"}`;
  return [].concat(schema.type ?? "").join(" | ");
};

function fields(schema) {
  const table = make("table", { className: "plain" });
  for (const [name, one] of Object.entries(schema.properties ?? {})) {
    const row = table.insertRow();
    const head = make("th", {}, make("code", {}, name), schema.required?.includes(name) ? " *" : "");
    const bounds = ["minimum", "maximum"].filter((key) => key in one).map((key) => `${key} ${one[key]}`);
    const text = [kindOf(one), ...bounds, one.default !== undefined && one.default !== "" && one.default !== null ? `default ${one.default}` : "", one.description ?? ""];
    row.append(head);
    row.insertCell().textContent = text.filter(Boolean).join(" · ");
  }
  return table;
}

setTheme($("theme"));
try {
  const api = await json("/openapi.json");
  for (const [path, operations] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      if (method === "parameters") continue;
      const section = make("section", { className: "operation" },
        make("h2", {}, make("code", {}, `${method.toUpperCase()} ${path}`)), make("p", {}, operation.summary),
        make("p", { className: "soft" }, operation.description ?? ""));
      for (const [kind, body] of Object.entries(operation.requestBody?.content ?? {})) {
        section.append(make("h3", {}, kind), fields(body.schema ?? {}));
      }
      const codes = Object.entries(operation.responses).map(([code, one]) => `${code === "default" ? "otherwise" : code}: ${one.description}`);
      section.append(make("p", { className: "soft" }, codes.join(" · ")));
      $("api").append(section);
    }
  }
} catch (error) {
  toast(error.message, { bad: true });
}

/**
 * Two events are the same if their URLs lead to the same place: without the fragment and a default port, and with scheme and
 * host in either case.
 */
import { NoKey, Refused, STRING, exportKeyExtractor } from "./dedup-plugin.js";

const URL = /^(https?):\/\/([a-z0-9.-]+)(:[0-9]*)?([/?][^#]*)?(?:#.*)?$/is;
const DEFAULT_PORTS = { http: ":80", https: ":443" };

class Url {
  static info = { name: "url", version: "0.1.0", keyVersion: 1 };

  configure(config) {
    if (config !== "") {
      throw new Refused(`there is nothing to configure: ${config}`);
    }
    return ["/url"];
  }

  key(event) {
    const found = event.kind(0) === STRING ? URL.exec(event.text(0)) : null;
    if (found === null) {
      throw new NoKey("/url is no URL of http or https");
    }
    const [, scheme, host, port = "", path = ""] = found;
    const isDefault = ["", ":", DEFAULT_PORTS[scheme.toLowerCase()]].includes(port);
    return `${scheme.toLowerCase()}://${host.toLowerCase()}${isDefault ? "" : port}${path}`;
  }
}

export const keyExtractor = exportKeyExtractor(Url);

/** Two events are the same if they have the same address of mail, in either case. */
import { NoKey, Refused, STRING, exportKeyExtractor } from "./dedup-plugin.js";

class Email {
  static info = { name: "email", version: "0.1.0", keyVersion: 1 };

  configure(config) {
    if (config !== "") {
      throw new Refused(`there is nothing to configure: ${config}`);
    }
    return ["/email"];
  }

  key(event) {
    const address = event.kind(0) === STRING ? event.text(0) : "";
    const at = address.lastIndexOf("@");
    if (at < 1 || at === address.length - 1) {
      throw new NoKey("/email is no address");
    }
    return address.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  }
}

export const keyExtractor = exportKeyExtractor(Email);

/** Two payments are the same if they have one reference and one amount of one currency: `9.50 eur` is `9.5 EUR`. */
import { NUMBER, NoKey, Refused, STRING, Value, exportKeyExtractor, tupleKey } from "./dedup-plugin.js";

// By its digits: no number of JavaScript holds every amount.
const AMOUNT = /^(-?(?:0|[1-9][0-9]*))(?:\.([0-9]+))?$/;

class Money {
  static info = { name: "money", version: "0.1.0", keyVersion: 1 };

  configure(config) {
    if (config !== "") {
      throw new Refused(`there is nothing to configure: ${config}`);
    }
    return ["/reference", "/amount", "/currency"];
  }

  key(event) {
    const [reference, amount, currency] = event.values();
    if (reference.isMissing) {
      throw new NoKey("/reference is absent or null");
    }
    const found = amount.kind === STRING ? AMOUNT.exec(amount.text) : null;
    if (found === null) {
      throw new NoKey('/amount is no text of digits, such as "9.50"');
    }
    if (currency.kind !== STRING || !/^[A-Za-z]{3}$/.test(currency.text)) {
      throw new NoKey('/currency is none, such as "EUR"');
    }
    const [, whole, digits = ""] = found;
    let end = digits.length;
    while (end > 0 && digits[end - 1] === "0") {
      end--;
    }
    const plain = end > 0 ? `${whole}.${digits.slice(0, end)}` : whole;
    return tupleKey(reference, new Value(NUMBER, plain), currency.text.toUpperCase());
  }
}

export const keyExtractor = exportKeyExtractor(Money);

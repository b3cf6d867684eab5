/** A module that remembers all orders that have reached it. */
export const GATEWAY = `export default class Gateway {
  static pureMethods = ["quote"];
  #orders = [];
  place_order(order) { this.#orders.push(order); return { id: this.#orders.length }; }
  quote() { return { bid: 7 }; }
  orders() { return this.#orders; }
}`;

                                                               

/** The members that a module's author keeps to a class: TypeScript's `private` and `protected` members. */
                         
                                                                      
                                                                     
                                                                                                             
                                                      
 

/**
 * Finds the hidden members of classes. The build recorded their positions in the text of each file. `toString` returns the
 * text of a class or method, which is found in the file again. So names need not be unique.
 */
export function hiddenIn(files                                                    )         {
  const texts = files.flatMap(({ source, hidden = [] }) =>
    hidden.length === 0 ? [] : [{ text: Buffer.from(source).toString(), hidden }],
  );

  const classAt = (prototype        ) => {
    const made          = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
    const own = typeof made === "function" ? textOf(made) : "";
    if (!own.startsWith("class")) return undefined;
    const members = texts.flatMap(({ text, hidden }) => {
      const at = text.indexOf(own);
      return at === -1
        ? []
        : hidden.filter((one) => one.at > at && one.at < at + own.length).map((one) => ({ ...one, text }));
    });
    return { own, members };
  };
  const known = new WeakMap                                    ();
  const classOf = (prototype        )                             => {
    if (texts.length === 0) return undefined;
    if (!known.has(prototype)) known.set(prototype, classAt(prototype));
    return known.get(prototype);
  };

  const isMethod                     = (prototype, name, method) => {
    const { own, members } = classOf(prototype) ?? { own: "", members: [] };
    if (members.length === 0) return false;
    const text = textOf(method);
    // A method that replaced the class's own is not in the class's text. Then the name decides.
    const isReplaced = !own.includes(text);
    return members.some((one) => one.text.startsWith(text, one.at) || (isReplaced && one.name === name));
  };

  return {
    isMethod,
    isProperty(instance, name) {
      if (texts.length === 0) return false;
      for (let level = Object.getPrototypeOf(instance); level !== null; level = Object.getPrototypeOf(level)) {
        const method          = Object.getOwnPropertyDescriptor(level, name)?.value;
        if (typeof method === "function") return isMethod(level, name, method);
        if (classOf(level)?.members.some((one) => one.name === name)) return true;
      }
      return false;
    },
  };
}

const textOf = (of        )         => Function.prototype.toString.call(of);

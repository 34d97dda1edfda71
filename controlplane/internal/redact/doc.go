// Package redact makes of an approval what a person may be shown and the store
// may keep: secrets are replaced by a placeholder, and characters that a screen
// does not show, or shows in another order, are written out. What is material
// (amounts, accounts, names) stays. The digest of the approval is computed
// before, over everything, and is not touched.
//
// # What is a secret
//
// A text or a number, never a whole object, is a secret
//
//   - by its name: the name is split into words (camelCase, snake_case, kebab,
//     dots, digits), and its head, which is the last word that says what the
//     thing is, is a word for secrets, as in dbPassword, access_token_2 or
//     X-Api-Key, and not in token_amount or author;
//   - by its content: a private key, a JSON Web Token, credentials of an HTTP
//     scheme, a password in a URL, and keys in the forms of well-known
//     services.
//
// Texts are looked into, whatever they say they are: JSON, JSON lines, forms,
// multipart bodies and what stands inside of them, up to 8 levels of texts
// inside texts; everything else is searched for name=value, name: value and
// <name>value</name>. What cannot be read (compressed, binary) is hidden whole.
// There is no guess by entropy: an account number or a hash must stay visible.
//
// # What is shown instead
//
// The placeholder tells the length in bytes and 8 hexadecimal digits of a salted
// hash. The salt is random, is made for each approval, and is forgotten with the
// call: equal secrets of one approval have equal placeholders, and nobody can
// try out guesses, in this approval or with the help of another one.
//
// The work grows with the size of the approval and with nothing else.
package redact

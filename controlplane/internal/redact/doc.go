// Package redact prepares an approval for storage and display: it replaces secrets
// by placeholders, and escapes characters that a screen does not show or shows in
// another order. What an approver needs (amounts, accounts, names) stays. The digest
// of the approval covers the original and is computed before.
//
// # What is a secret
//
// A text or a number, never a whole object, is a secret
//
//   - by its name: the name is split into words (camelCase, snake_case,
//     kebab-case, dots, digits), and its head, the last word that says what the
//     value is, is a word for secrets, as in dbPassword, access_token_2 and
//     X-Api-Key, but not in token_amount and author;
//   - by its content: a private key, a JSON Web Token, credentials of an HTTP
//     authentication scheme, a password in a URL, or a key in the format of a
//     well-known service.
//
// Texts are parsed according to their content, not their declared type: JSON, JSON
// lines, forms and multipart bodies, up to 8 levels of texts inside texts. All
// other text is searched for name=value, name: value and <name>value</name>.
// Content that a person cannot read (compressed, binary) is hidden as a whole.
// Secrets are not guessed by entropy, because account numbers and hashes must stay
// visible.
//
// # Placeholders
//
// A placeholder contains the length in bytes and 8 hexadecimal digits of a salted
// hash. The salt is random, new for each approval, and not stored. So equal secrets
// in one approval have equal placeholders, but nobody can test guesses of a secret,
// not even with another approval.
//
// The running time is linear in the size of the approval.
package redact

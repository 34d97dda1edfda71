// Package wire holds the parts of the API that the client (package aureus), the
// control plane and the test server (package aureustest) share and that are not
// public Go types: the bodies of some requests and responses, and the error codes.
//
// Package aureus imports this package, so this package cannot import the models of
// aureus. A body that contains models has type parameters for them.
package wire

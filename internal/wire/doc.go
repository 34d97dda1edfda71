// Package wire holds what the client (package aureus), the control plane and the
// test server (package aureustest) must agree on and no user of the module sees:
// the bodies of requests and responses that are not public models, and the error
// codes.
//
// The client needs these bodies too, so the package lies below package aureus and
// cannot name its models. A body with models in it is generic in their types;
// each side instantiates it once.
package wire

// Package rpc is the part that the guards of connectguard and grpcguard have in common. It
// gives a call to the guard of package middleware as a POST request of its procedure, with
// the JSON form of its message as the body, so that a call is decided, bound to an approval,
// recorded and logged as an HTTP request is. See [Guard.Run].
package rpc

// Package tools is the module of the programs that make runs on this
// repository. It is a separate module, so that users do not install the
// dependencies of these programs.
package tools

// Package tools is the root of a module with programs that the Makefile runs on this
// repository. It is a separate module, so that users do not get the dependencies of
// these programs.
package tools

// Package tools is a module of its own for the programs that `make` runs on this
// repository, so that what they need stays out of the modules that users install.
package tools

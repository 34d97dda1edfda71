// Package archtest holds tests of the repository as a whole: which package may
// import which, what the root packages depend on, that every package has a
// package comment, that go.work lists every module, and that no file contains
// paths of the machine it was written on. It has no code but tests.
package archtest

// Package archtest holds the tests of the house itself: which package may
// import which, what the root packages link, that every package tells its
// story, that the workspace names every module, and that no file speaks of the
// machine it was written on. It has no code but tests.
package archtest

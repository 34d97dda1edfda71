// Package consolecheck holds a test that uses the console of the control plane with a
// browser, as an operator does. It is here so that the control plane's go.mod does not
// name the library that drives the browser.
package consolecheck

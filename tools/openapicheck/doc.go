// Package openapicheck holds a test: the OpenAPI document of the control plane is
// valid, and describes what the server is asked and answers, by the judgement of a
// library that is not ours. It is here so that the control plane's go.mod does not
// name the library and the modules that it needs.
package openapicheck

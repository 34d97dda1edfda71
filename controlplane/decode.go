package controlplane

import "github.com/farmountain/aureus-go/internal/jsonscan"

// The bodies of requests that come in volume are read without reflection: what
// is evaluated, checked and validated, decision records and outcomes, and
// telemetry (see package telemetry there). Others come seldom.
func init() { //nolint:gochecknoinits // beside the readers that package aureus registers
	jsonscan.Register(scanValidateRequest)
}

var validateRequestShape = jsonscan.ShapeOf[validateRequest]()

func scanValidateRequest(s *jsonscan.Scanner, v *validateRequest) bool {
	return s.Object(validateRequestShape, func(name string) bool {
		switch name {
		case "commit":
			return jsonscan.Read(s, &v.Commit)
		case "gate_config":
			return jsonscan.Read(s, &v.GateConfig)
		}
		return false
	})
}

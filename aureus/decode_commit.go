package aureus

import "github.com/farmountain/aureus-go/internal/jsonscan"

var (
	commitShape     = jsonscan.ShapeOf[Commit]()
	gateConfigShape = jsonscan.ShapeOf[GateConfig]()
)

func scanCommit(s *jsonscan.Scanner, c *Commit) bool {
	return s.Object(commitShape, func(name string) bool {
		switch name {
		case "id":
			return s.String(&c.ID)
		case "data":
			return s.Value(&c.Data)
		case "previous_state":
			return s.Value(&c.PreviousState)
		case "metadata":
			return s.Map(&c.Metadata)
		}
		return false
	})
}

func scanGateConfig(s *jsonscan.Scanner, g *GateConfig) bool {
	return s.Object(gateConfigShape, func(name string) bool {
		switch name {
		case "name":
			return s.String(&g.Name)
		case "validators":
			return s.Texts(&g.Validators)
		case "block_on_failure":
			return s.Bool(&g.BlockOnFailure)
		case "required_confidence":
			g.RequiredConfidence = new(float64)
			return s.Float(g.RequiredConfidence) && *g.RequiredConfidence >= 0 && *g.RequiredConfidence <= 1
		case "recovery_strategy":
			return s.Map(&g.RecoveryStrategy)
		}
		return false
	})
}

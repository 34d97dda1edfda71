package aureus

import (
	"slices"

	"github.com/farmountain/aureus-go/internal/jsonscan"
)

var (
	permissionShape = jsonscan.ShapeOf[Permission]()
	principalShape  = jsonscan.ShapeOf[Principal]()
	actionShape     = jsonscan.ShapeOf[Action]()
	httpCallShape   = jsonscan.ShapeOf[HTTPCall]()
)

func scanPermission(s *jsonscan.Scanner, p *Permission) bool {
	return s.Object(permissionShape, func(name string) bool {
		switch name {
		case "action":
			return s.String(&p.Action)
		case "resource":
			return s.String(&p.Resource)
		case "intent":
			return s.Word((*string)(&p.Intent), intentWords)
		case "data_zone":
			return s.Word((*string)(&p.DataZone), zoneWords)
		case "conditions":
			return s.Map(&p.Conditions)
		}
		return false
	})
}

func scanPrincipal(s *jsonscan.Scanner, p *Principal) bool {
	return s.Object(principalShape, func(name string) bool {
		switch name {
		case "id":
			return s.String(&p.ID)
		case "type":
			return s.String(&p.Type)
		case "permissions":
			return jsonscan.ListOf(s, &p.Permissions, scanPermission)
		}
		return false
	})
}

func scanAction(s *jsonscan.Scanner, a *Action) bool {
	return s.Object(actionShape, func(name string) bool {
		switch name {
		case "id":
			return s.String(&a.ID)
		case "name":
			return s.String(&a.Name)
		case "risk_tier":
			return scanTier(s, &a.RiskTier)
		case "required_permissions":
			return jsonscan.ListOf(s, &a.RequiredPermissions, scanPermission)
		case "intent":
			return s.Word((*string)(&a.Intent), intentWords)
		case "data_zone":
			return s.Word((*string)(&a.DataZone), zoneWords)
		case "allowed_tools":
			return s.Texts(&a.AllowedTools)
		case "metadata":
			return s.Map(&a.Metadata)
		}
		return false
	})
}

// scanTier reads a tier in either case, as [PolicyRiskTier.UnmarshalText] does.
func scanTier(s *jsonscan.Scanner, t *PolicyRiskTier) bool {
	var word string
	if !s.String(&word) {
		return false
	}
	if i := slices.Index(tierWords, word); i >= 0 {
		*t = PolicyRiskTier(tierWords[i])
		return true
	}
	return t.UnmarshalText([]byte(word)) == nil
}

func scanHTTPCall(s *jsonscan.Scanner, c *HTTPCall) bool {
	return s.Object(httpCallShape, func(name string) bool {
		switch name {
		case "method":
			return s.String(&c.Method)
		case "host":
			return s.String(&c.Host)
		case "path":
			return s.String(&c.Path)
		case "query":
			return s.String(&c.Query)
		case "content_type":
			return s.String(&c.ContentType)
		case "content_encoding":
			return s.String(&c.ContentEncoding)
		case "headers":
			return jsonscan.MapOf(s, &c.Headers, (*jsonscan.Scanner).Texts)
		case "body":
			return s.Text(&c.Body)
		case "body_omitted":
			return s.Bool(&c.BodyOmitted)
		}
		return false
	})
}

package bundles

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/internal/wire"
)

// maxShown is how many problems the message of the error contains. Its details contain
// [web.MaxListedProblems].
const maxShown = 10

// compile compiles a bundle that is to be put in force.
func (s *Service) compile(text, signature []byte) (*policy.Bundle, error) {
	compiled, err := s.Rules.Policies.Compile(text, signature)
	if err != nil {
		return nil, err
	}
	if size, limit := compiled.MemorySize(), s.Rules.Policies.Limit(); size > limit {
		return nil, web.Problem(http.StatusUnprocessableEntity, wire.CodeValidation,
			fmt.Sprintf("the bundle takes about %d MiB of memory when it is compiled, and may take %d", size>>20, limit>>20),
			web.WithRemediation("Give each rule and budget to fewer actions, or use fewer and shorter conditions and schemas. The bundle in force has not changed."))
	}
	return compiled, nil
}

// compileError converts the error of compiling a bundle into the error of the response.
func compileError(err error) error {
	if errors.Is(err, policy.ErrSignature) {
		return web.Problem(http.StatusUnprocessableEntity, wire.CodeValidation, "the bundle is not signed by a key that this control plane trusts: "+err.Error(),
			web.WithRemediation("Sign exactly these bytes with one of the configured keys, and send the signature in the header "+wire.SignatureHeader+"."))
	}
	load, ok := errors.AsType[*policy.LoadError](err)
	if !ok {
		return err
	}
	problems := make([]registry.Problem, 0, len(load.Problems))
	shown := []string{fmt.Sprintf("the bundle has %d problems", len(load.Problems))}
	if len(load.Problems) == 1 {
		shown[0] = "the bundle has a problem"
	}
	for i, p := range load.Problems[:min(len(load.Problems), web.MaxListedProblems)] {
		text := fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Message)
		if p.Line == 0 {
			text = p.Message
		}
		if i < maxShown {
			shown = append(shown, text)
		}
		problems = append(problems, registry.Problem{Line: p.Line, Column: p.Column, Message: text})
	}
	return web.Problem(http.StatusUnprocessableEntity, wire.CodeValidation, strings.Join(shown, "; "), web.WithDetails(problems),
		web.WithRemediation("Correct the bundle and send it again. The bundle in force has not changed."))
}

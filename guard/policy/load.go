package policy

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
)

// maxText is the maximum number of bytes of a bundle.
const maxText = 4 << 20

// A Problem is one defect of a bundle. Line and Column begin at 1, and a column counts
// characters; both are 0 if the problem concerns the whole text. Message says what is
// wrong, why, and what to do.
type Problem struct {
	Line, Column int
	Message      string
}

// LoadError lists the problems of a bundle that cannot be loaded, in the order of the
// text. There is at least one.
type LoadError struct{ Problems []Problem }

// maxShownProblems is the maximum number of problems that LoadError.Error lists.
const maxShownProblems = 100

// Error lists the problems, each on a line of its own as "line:column: message", at most
// 100 of them.
func (e *LoadError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "policy: the bundle has %d problem", len(e.Problems))
	if len(e.Problems) != 1 {
		text.WriteString("s")
	}
	for i, p := range e.Problems {
		if i == maxShownProblems {
			fmt.Fprintf(&text, "\n\tand %d more", len(e.Problems)-i)
			break
		}
		text.WriteString("\n\t")
		if p.Line > 0 {
			fmt.Fprintf(&text, "%d:%d: ", p.Line, p.Column)
		}
		text.WriteString(p.Message)
	}
	return text.String()
}

// ErrSignature matches the errors for a bundle that is not signed by one of the
// configured keys.
var ErrSignature = errors.New("the bundle is not signed by a trusted key")

// Parse compiles the text of a bundle, which is YAML or JSON of at most 4 MiB. It also
// runs the tests in the bundle; a test that fails is a problem like any other. The error is
// a [*LoadError] that lists all problems.
func Parse(text []byte) (*Bundle, error) {
	bundle, err := compileText(text)
	if err != nil {
		return nil, err
	}
	if problems := bundle.failedTests(); len(problems) > 0 {
		return nil, &LoadError{Problems: problems}
	}
	return bundle, nil
}

// ParseUntested is [Parse] without the tests in the bundle, for tools that find out why
// one of them fails. The bundle can be checked, explained and compared, but no engine
// takes it.
func ParseUntested(text []byte) (*Bundle, error) {
	bundle, err := compileText(text)
	if err != nil {
		return nil, err
	}
	bundle.untested = true
	return bundle, nil
}

func compileText(text []byte) (*Bundle, error) {
	if len(text) > maxText {
		return nil, &LoadError{Problems: []Problem{{Message: fmt.Sprintf(
			"the bundle has %d bytes, and the limit is %d; split it into several bundles", len(text), maxText)}}}
	}
	document, found := syntax.Parse(text)
	problems := convertProblems(found)
	if document == nil {
		if len(problems) == 0 {
			problems = []Problem{{Message: "the bundle is empty; it must begin with aureus: policy/1"}}
		}
		return nil, &LoadError{Problems: problems}
	}
	bundle, meaning := compile(document, text)
	if problems = joinProblems(problems, meaning); len(problems) > 0 {
		return nil, &LoadError{Problems: problems}
	}
	return bundle, nil
}

func convertProblems(found []syntax.Problem) []Problem {
	problems := make([]Problem, 0, len(found))
	for _, p := range found {
		problems = append(problems, Problem{Line: p.Line, Column: p.Column, Message: p.Message})
	}
	return problems
}

// ParseSigned is [Parse] for a text that must be signed: signature must be an Ed25519
// signature of exactly these bytes by one of the keys, as 64 bytes or as their base64. The
// signature is checked first, and nothing of a text that is not signed is read. The error
// then matches [ErrSignature]. Without keys nothing is trusted.
func ParseSigned(text, signature []byte, keys ...ed25519.PublicKey) (*Bundle, error) {
	if err := verify(text, signature, keys); err != nil {
		return nil, err
	}
	return Parse(text)
}

func verify(text, signature []byte, keys []ed25519.PublicKey) error {
	raw := signature
	if len(raw) != ed25519.SignatureSize {
		decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(signature)))
		if err != nil || len(decoded) != ed25519.SignatureSize {
			return fmt.Errorf("policy: %w: the signature must be 64 bytes, or their base64, and it has %d bytes", ErrSignature, len(signature))
		}
		raw = decoded
	}
	for i, key := range keys {
		if len(key) != ed25519.PublicKeySize {
			return fmt.Errorf("policy: %w: key %d has %d bytes instead of %d", ErrSignature, i, len(key), ed25519.PublicKeySize)
		}
		if ed25519.Verify(key, text, raw) {
			return nil
		}
	}
	return fmt.Errorf("policy: %w: none of the %d configured keys has signed exactly these bytes; sign the file again after every change", ErrSignature, len(keys))
}

// maxSignature is the maximum number of bytes of a signature file.
const maxSignature = 1024

// ReadFile reads and compiles a bundle. With keys, the file name with the ending ".sig"
// must hold the signature of the file; see [ParseSigned]. Without keys, a signature is
// ignored.
func ReadFile(file string, keys ...ed25519.PublicKey) (*Bundle, error) {
	text, signature, err := readBundle(file, len(keys) > 0)
	if err != nil {
		return nil, err
	}
	return parseFile(file, text, signature, keys)
}

// readBundle reads the file, and its signature if signed is set.
func readBundle(file string, signed bool) (text, signature []byte, err error) {
	if text, err = readBounded(file, maxText); err != nil {
		return nil, nil, fmt.Errorf("policy: reading the bundle: %w", err)
	}
	if !signed {
		return text, nil, nil
	}
	signature, err = readBounded(file+".sig", maxSignature)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("policy: %w: %s has no signature: %w", ErrSignature, file, err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("policy: reading the signature: %w", err)
	}
	return text, signature, nil
}

// parseFile compiles what readBundle has read.
func parseFile(file string, text, signature []byte, keys []ed25519.PublicKey) (*Bundle, error) {
	var bundle *Bundle
	var err error
	if len(keys) > 0 {
		bundle, err = ParseSigned(text, signature, keys...)
	} else {
		bundle, err = Parse(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return bundle, nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", file, limit)
	}
	return text, nil
}

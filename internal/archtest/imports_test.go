package archtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const openTelemetry = "go.opentelemetry.io"

// A room is a folder at the top of the repository. Its entry says which rooms
// its packages may import, and which its tests may import besides. A package in
// a room may have an entry of its own.
type folderRules struct {
	imports, testsImport []string
	openTelemetry        bool // may import OpenTelemetry
}

var importRules = map[string]folderRules{
	"aureus": {imports: []string{"internal"}},

	// Its examples test a service that is guarded.
	"aureus/aureustest": {imports: []string{"internal"}, testsImport: []string{"guard", "middleware"}},

	"guard":      {imports: []string{"aureus", "internal"}},
	"crvgate":    {imports: []string{"aureus", "internal"}},
	"middleware": {imports: []string{"aureus", "guard", "internal"}, testsImport: []string{"crvgate"}},
	"otelbridge": {imports: []string{"aureus", "guard", "crvgate", "internal"}, openTelemetry: true},
	"internal":   {imports: []string{"aureus"}},

	// The gate of a request, for the registry and the control plane.
	"internal/wiregate": {imports: []string{"aureus", "crvgate"}},

	"controlplane": {imports: []string{"aureus", "guard", "crvgate", "internal"}, testsImport: []string{"middleware", "otelbridge"}},
	"examples":     {imports: []string{"aureus", "guard", "crvgate", "middleware", "otelbridge", "controlplane"}, openTelemetry: true},
	"bench":        {imports: []string{"aureus", "guard", "crvgate", "middleware", "otelbridge", "controlplane"}, openTelemetry: true},
	"tools":        {},
}

// topFolder returns the top folder of an import path of this repository, or ""
// for others.
func topFolder(importPath string) string {
	rest, ok := strings.CutPrefix(importPath, modulePath+"/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// mayImport returns nil if a package, or one of its tests if inTest is set, may
// import path.
func mayImport(importer string, inTest bool, path string) error {
	from, ok := importRules[strings.TrimPrefix(importer, modulePath+"/")]
	if !ok {
		from, ok = importRules[topFolder(importer)]
	}
	if !ok {
		return fmt.Errorf("%s is in a room without an entry in this test: say what it may import", importer)
	}
	if path == openTelemetry || strings.HasPrefix(path, openTelemetry+"/") {
		// What tests otelbridge against a real control plane needs both.
		if from.openTelemetry || (inTest && slices.Contains(from.testsImport, "otelbridge")) {
			return nil
		}
		return fmt.Errorf("%s imports %s: only otelbridge may import OpenTelemetry", importer, path)
	}
	to := topFolder(path)
	switch {
	case to == "", to == topFolder(importer), slices.Contains(from.imports, to):
		return nil
	case inTest && slices.Contains(from.testsImport, to):
		return nil
	}
	return fmt.Errorf("%s imports %s: the rules in this test do not allow that", importer, path)
}

func TestImports_AllPackages_FollowTheRules(t *testing.T) {
	for _, p := range allPackages(t) {
		for _, path := range p.Imports {
			require.NoError(t, mayImport(p.ImportPath, false, path))
		}
		for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
			require.NoError(t, mayImport(p.ImportPath, true, path), "in a test")
		}
	}
}

func TestMayImport_ForbiddenImport_IsAnError(t *testing.T) {
	for reason, arrow := range map[string]struct {
		from, to string
		inTest   bool
	}{
		"middleware knows a gate by its error alone":  {from: "middleware", to: "crvgate"},
		"a policy guard knows no gate":                {from: "guard", to: "crvgate"},
		"a gate knows no policy guard":                {from: "crvgate", to: "guard"},
		"a test of the gate is no exception":          {from: "crvgate", to: "guard", inTest: true},
		"the vocabulary knows nobody":                 {from: "aureus", to: "guard"},
		"its tests know nobody either":                {from: "aureus", to: "guard", inTest: true},
		"the test kit shows the guard in tests only":  {from: "aureus/aureustest", to: "guard"},
		"middleware is imported by nobody":            {from: "guard/policy", to: "middleware"},
		"telemetry decorates from outside":            {from: "middleware", to: "otelbridge"},
		"otelbridge takes a func, not middleware":     {from: "otelbridge/autoexport", to: "middleware"},
		"the server enforces nothing on net/http":     {from: "controlplane", to: "middleware"},
		"examples are imported by nobody":             {from: "controlplane", to: "examples/quickstart", inTest: true},
		"the root tests without the control plane":    {from: "guard", to: "controlplane", inTest: true},
		"a new room says first what it may import":    {from: "attic", to: "aureus"},
		"OpenTelemetry stays in otelbridge":           {from: "guard", to: "!" + openTelemetry + "/otel"},
		"OpenTelemetry stays there for tests as well": {from: "middleware", to: "!" + openTelemetry + "/otel/trace", inTest: true},
	} {
		t.Run(reason, func(t *testing.T) {
			to := modulePath + "/" + arrow.to
			if foreign, ok := strings.CutPrefix(arrow.to, "!"); ok {
				to = foreign
			}
			require.Error(t, mayImport(modulePath+"/"+arrow.from, arrow.inTest, to))
		})
	}
}

// allowedLinks lists what the root packages may link besides the standard
// library. CEL, JSON Schema and OpenTelemetry are not allowed.
var allowedLinks = map[string][]string{
	"aureus":  {"github.com/go-json-experiment/json"},
	"guard":   {"github.com/go-json-experiment/json"},
	"crvgate": {"github.com/go-json-experiment/json"},

	"crvgate/validators": {"github.com/go-json-experiment/json"},
	"crvgate/registry":   {"github.com/go-json-experiment/json"},

	"middleware": {"github.com/go-json-experiment/json", "github.com/felixge/httpsnoop"},
}

func TestLinks_RootPackages_HaveFewDependencies(t *testing.T) {
	for name, allowed := range allowedLinks {
		t.Run(name, func(t *testing.T) {
			allowed := append(slices.Clone(allowed), modulePath)
			for _, p := range goList(t, "-deps", "./"+name) {
				known := p.Standard || slices.ContainsFunc(allowed, func(prefix string) bool {
					return p.ImportPath == prefix || strings.HasPrefix(p.ImportPath, prefix+"/")
				})
				require.True(t, known, "%s links %s; it may link %s", name, p.ImportPath, allowed)
			}
		})
	}
	t.Run("such a link would be seen", func(t *testing.T) {
		require.True(t, slices.ContainsFunc(goList(t, "-deps", "./otelbridge"), func(p goPackage) bool {
			return strings.HasPrefix(p.ImportPath, openTelemetry+"/")
		}))
	})
}

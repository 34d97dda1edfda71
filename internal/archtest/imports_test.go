package archtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const openTelemetry = "go.opentelemetry.io"

// folderRules says what the packages in a top folder of the repository may
// import, and what their tests may import in addition. A single package may
// have an entry of its own.
type folderRules struct {
	imports, testsImport []string
	openTelemetry        bool // may import OpenTelemetry
}

var importRules = map[string]folderRules{
	"aureus": {imports: []string{"internal"}},

	// Its examples test a service that uses guard and middleware.
	"aureus/aureustest": {imports: []string{"internal"}, testsImport: []string{"guard", "middleware"}},

	// guard/policy imports the rest of guard. TestLinks checks that the rest of guard
	// does not link guard/policy and its rule languages.
	"guard": {imports: []string{"aureus", "internal"}},

	"crvgate":    {imports: []string{"aureus", "internal"}},
	"middleware": {imports: []string{"aureus", "guard", "internal"}, testsImport: []string{"crvgate"}},
	"otelbridge": {imports: []string{"aureus", "guard", "crvgate", "internal"}, openTelemetry: true},
	"internal":   {imports: []string{"aureus"}},

	// The registry and the control plane build gates with it.
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
		return fmt.Errorf("%s is in a top folder that has no entry in importRules; add one that says what it may import", importer)
	}
	if path == openTelemetry || strings.HasPrefix(path, openTelemetry+"/") {
		// A test that runs otelbridge against a real control plane imports both.
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
		"middleware must not import crvgate":        {from: "middleware", to: "crvgate"},
		"guard must not import crvgate":             {from: "guard", to: "crvgate"},
		"crvgate must not import guard":             {from: "crvgate", to: "guard"},
		"nor may a test of crvgate":                 {from: "crvgate", to: "guard", inTest: true},
		"aureus must not import guard":              {from: "aureus", to: "guard"},
		"nor may a test of aureus":                  {from: "aureus", to: "guard", inTest: true},
		"aureustest may import guard in tests only": {from: "aureus/aureustest", to: "guard"},
		"guard must not import middleware":          {from: "guard/policy", to: "middleware"},
		"middleware must not import otelbridge":     {from: "middleware", to: "otelbridge"},
		"otelbridge must not import middleware":     {from: "otelbridge/autoexport", to: "middleware"},
		"controlplane must not import middleware":   {from: "controlplane", to: "middleware"},
		"nothing may import examples":               {from: "controlplane", to: "examples/quickstart", inTest: true},
		"root tests must not import controlplane":   {from: "guard", to: "controlplane", inTest: true},
		"a top folder without rules":                {from: "attic", to: "aureus"},
		"guard must not import OpenTelemetry":       {from: "guard", to: "!" + openTelemetry + "/otel"},
		"nor may a test of middleware":              {from: "middleware", to: "!" + openTelemetry + "/otel/trace", inTest: true},
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
// library. CEL, JSON Schema and OpenTelemetry are not allowed, except where listed.
var allowedLinks = map[string][]string{
	"aureus":  {"github.com/go-json-experiment/json"},
	"guard":   {"github.com/go-json-experiment/json"},
	"crvgate": {"github.com/go-json-experiment/json"},

	"guard/policy/internal/syntax": {"go.yaml.in/yaml/v4", "github.com/go-json-experiment/json"},

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
	t.Run("a forbidden dependency would be found", func(t *testing.T) {
		require.True(t, slices.ContainsFunc(goList(t, "-deps", "./otelbridge"), func(p goPackage) bool {
			return strings.HasPrefix(p.ImportPath, openTelemetry+"/")
		}))
	})
}

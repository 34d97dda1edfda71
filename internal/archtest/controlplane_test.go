package archtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const controlPlane = modulePath + "/controlplane"

// services lists the packages of controlplane/internal that serve paths of the API,
// each with the other services that it may import. Other packages, such as web and
// storage, may not import a service. No package in controlplane/internal may import
// package controlplane.
var services = map[string][]string{
	"runs":      {"policy", "approvals"},
	"policy":    {"approvals"},
	"approvals": nil,
	"bundles":   nil,
	"audit":     nil,
	"crv":       nil,
	"observe":   nil,
	"contract":  nil,
	"console":   {"policy", "bundles"},
	"webhooks":  nil,
}

// mayImportService returns nil if a package of the control plane may import path.
func mayImportService(importer, path string) error {
	from, inside := strings.CutPrefix(importer, controlPlane+"/internal/")
	if !inside {
		return nil
	}
	if path == controlPlane {
		return fmt.Errorf("%s imports package controlplane: take an interface or a func as a parameter instead", importer)
	}
	to, isInternal := strings.CutPrefix(path, controlPlane+"/internal/")
	if _, isService := services[to]; !isInternal || !isService || to == from || slices.Contains(services[from], to) {
		return nil
	}
	return fmt.Errorf("%s imports %s: services of the control plane import each other only as listed in this test", importer, path)
}

func TestControlPlane_Services_ImportOnlyListedServices(t *testing.T) {
	for _, p := range allPackages(t) {
		for _, path := range slices.Concat(p.Imports, p.TestImports) {
			require.NoError(t, mayImportService(p.ImportPath, path))
		}
	}
	internal := controlPlane + "/internal/"
	require.NoError(t, mayImportService(internal+"runs", internal+"policy"))
	require.NoError(t, mayImportService(internal+"runs", internal+"web"))
	require.NoError(t, mayImportService(controlPlane, internal+"runs"))
	for _, arrow := range [][2]string{
		{internal + "policy", internal + "runs"},
		{internal + "audit", internal + "policy"},
		{internal + "policy", internal + "console"},
		{internal + "console", internal + "runs"},
		{internal + "storage/sqlite", internal + "approvals"},
		{internal + "web", internal + "audit"},
		{internal + "runs", controlPlane},
	} {
		require.Error(t, mayImportService(arrow[0], arrow[1]), "%s imports %s", arrow[0], arrow[1])
	}
}

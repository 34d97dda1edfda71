package controlplane_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
)

func maxSizeConfig(limit int) map[string]any {
	return map[string]any{"type": "max_size", "parameters": map[string]any{"max": limit}}
}

// judges runs a gate with only that validator on a text of five characters.
func judges(t *testing.T, c *aureus.Client, validator string) aureus.GateResult {
	t.Helper()
	result, err := c.ValidateCommit(t.Context(), aureus.Commit{ID: "c", Data: "abc"}, aureus.GateConfig{Name: "g", Validators: []string{validator}, BlockOnFailure: true})
	require.NoError(t, err)
	return result
}

func TestValidators_OfASubject_AreItsOwn(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "aureus.db")
	withFile := func(c *controlplane.Config) { c.DB = file }
	srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: file})
	require.NoError(t, err)
	ledgerKey, payrollKey := newKey(t, srv, controlplane.RoleService, "ledger"), newKey(t, srv, controlplane.RoleService, "payroll")
	ledger, payroll := client(t, srv, ledgerKey), client(t, srv, payrollKey)

	first, err := ledger.RegisterValidator(t.Context(), "small", maxSizeConfig(3))
	require.NoError(t, err)
	require.Contains(t, string(first.Raw), `"scope":"subject"`)
	require.Equal(t, aureus.ToolError, judges(t, payroll, "small").FailureCode, "the validator of another subject is not visible")
	raw{method: http.MethodGet, path: "/api/v1/crv/validators/small", key: payrollKey}.do(t, srv).refusal(t, 404, "NOT_FOUND")
	require.Empty(t, validatorIDs(t, raw{method: http.MethodGet, path: "/api/v1/crv/validators", key: payrollKey}.do(t, srv).body))

	second, err := payroll.RegisterValidator(t.Context(), "small", maxSizeConfig(1000))
	require.NoError(t, err)
	require.False(t, second.Replaced, "the same id of another subject is another validator")
	require.Equal(t, 1, second.Version)
	check := func(t *testing.T, srv *controlplane.Server) {
		t.Helper()
		require.Equal(t, aureus.OutOfScope, judges(t, client(t, srv, ledgerKey), "small").FailureCode)
		require.True(t, judges(t, client(t, srv, payrollKey), "small").Passed)
	}
	check(t, srv)
	require.NoError(t, srv.Close())
	check(t, open(t, withFile)) // after a restart as well
}

func TestValidators_OfTheTenant_StandBeforeThoseOfASubject(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "aureus.db")
	srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: file})
	require.NoError(t, err)
	ledgerKey, adminKey := newKey(t, srv, controlplane.RoleService, "ledger"), newKey(t, srv, controlplane.RoleAdmin, "ada")
	ledger, admin := client(t, srv, ledgerKey), client(t, srv, adminKey)
	_, err = ledger.RegisterValidator(t.Context(), "early", maxSizeConfig(1000))
	require.NoError(t, err)
	for _, id := range []string{"early", "late"} {
		registered, err := admin.RegisterValidator(t.Context(), id, maxSizeConfig(3))
		require.NoError(t, err)
		require.Contains(t, string(registered.Raw), `"scope":"tenant"`)
		require.False(t, registered.Replaced)
	}
	check := func(srv *controlplane.Server) {
		for _, role := range []controlplane.Role{controlplane.RoleService, controlplane.RoleOperator} {
			weaker := newKey(t, srv, role, "ledger")
			for _, id := range []string{"early", "late"} {
				answer := raw{path: "/api/v1/crv/validators", key: weaker, body: `{"validator_id":"` + id + `","config":{"type":"max_size","parameters":{"max":1000}}}`}.do(t, srv)
				require.Contains(t, answer.refusal(t, 409, "STATE_CONFLICT")["error"], id)
				require.Equal(t, aureus.OutOfScope, judges(t, client(t, srv, weaker), id).FailureCode, "%s, %s", role, id)
				got := raw{method: http.MethodGet, path: "/api/v1/crv/validators/" + id, key: weaker}.do(t, srv).json(t)
				require.Equal(t, []any{"tenant", "ada"}, []any{got["scope"], got["registered_by"]})
			}
			if role == controlplane.RoleService {
				require.Equal(t, []string{"early", "late"}, validatorIDs(t, raw{method: http.MethodGet, path: "/api/v1/crv/validators", key: weaker}.do(t, srv).body))
			}
		}
	}
	check(srv)
	require.NoError(t, srv.Close())
	srv = open(t, func(c *controlplane.Config) { c.DB = file })
	check(srv)
	replaced, err := client(t, srv, adminKey).RegisterValidator(t.Context(), "late", maxSizeConfig(1000))
	require.NoError(t, err)
	require.True(t, replaced.Replaced)
	require.Equal(t, 2, replaced.Version)
	require.True(t, judges(t, client(t, srv, ledgerKey), "late").Passed, "the tenant's new version is in force for all")
}

// Validators of every subject can use the functions of the host.
func TestValidators_OfASubject_CanUseTheHostsFunctions(t *testing.T) {
	t.Parallel()
	calls := 0
	srv := open(t, func(c *controlplane.Config) {
		c.Validators = func(r *registry.Registry) error {
			calls++
			r.Func("house_rule", func(context.Context, crvgate.Change[any], map[string]any) aureus.ValidationResult {
				return crvgate.Pass()
			})
			return nil
		}
	})
	for _, subject := range []string{"ledger", "payroll"} {
		c := client(t, srv, newKey(t, srv, controlplane.RoleService, subject))
		_, err := c.RegisterValidator(t.Context(), "mine", map[string]any{"type": "custom", "validation_logic": "house_rule"})
		require.NoError(t, err)
		require.True(t, judges(t, c, "mine").Passed)
	}
	require.Equal(t, 1, calls, "Config.Validators is called once for each tenant")
}

// One subject cannot use up the validators that the tenant may register.
func TestValidators_OfASubject_AreBounded(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "aureus.db")
	srv := open(t, func(c *controlplane.Config) { c.DB = file })
	greedy, other := client(t, srv, newKey(t, srv, controlplane.RoleService, "greedy")), client(t, srv, newKey(t, srv, controlplane.RoleService, "other"))
	execute(t, file, `WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
		INSERT INTO validators (tenant, scope, owner, id, version, config, registered_by, key_id, registered_at)
		SELECT 'default', 'subject', 'greedy', 'v' || i, 1, '{"type":"not_null"}', 'greedy', 'key', 1 FROM n`)
	_, err := greedy.RegisterValidator(t.Context(), "one too many", maxSizeConfig(3))
	refused, ok := errors.AsType[*aureus.Error](err)
	require.True(t, ok, err)
	require.Equal(t, "RESOURCE_EXHAUSTED", refused.Code)
	_, err = greedy.RegisterValidator(t.Context(), "v1", maxSizeConfig(3))
	require.NoError(t, err, "a registered validator can be replaced")
	_, err = other.RegisterValidator(t.Context(), "v1", maxSizeConfig(3))
	require.NoError(t, err)
}

// A short pattern may use megabytes while it is registered. The memory of one subject
// and of one tenant is limited, and others can still register.
func TestValidators_LargeOnesOfASubject_LeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "aureus.db")
	withFile := func(c *controlplane.Config) { c.DB, c.MaxMemory = file, 64<<20 }
	srv := open(t, withFile)
	large := map[string]any{"type": "json_schema", "parameters": map[string]any{"schema": map[string]any{"allOf": []any{
		map[string]any{"pattern": "^[a-z]{900}$"}, map[string]any{"pattern": "^[a-z]{900}[0-9]{900}$"}, map[string]any{"patternProperties": map[string]any{"[a-z]{900}": true}},
	}}}}
	small := maxSizeConfig(1)
	fill := func(c *aureus.Client, from, most int) int {
		for i := range most {
			_, err := c.RegisterValidator(t.Context(), fmt.Sprintf("v%d", from+i), large)
			if err != nil {
				require.ErrorIs(t, err, aureus.ErrConflict)
				require.ErrorContains(t, err, "of memory")
				return i
			}
		}
		t.Fatal("the memory is not limited")
		return 0
	}
	greedyKey := newKey(t, srv, controlplane.RoleService, "greedy")
	greedy, other := client(t, srv, greedyKey), client(t, srv, newKey(t, srv, controlplane.RoleService, "other"))
	admin := client(t, srv, newKey(t, srv, controlplane.RoleAdmin, "ann"))
	n := fill(greedy, 0, 20)
	require.Positive(t, n)
	_, err := greedy.RegisterValidator(t.Context(), "v0", large)
	require.NoError(t, err, "registering the same again uses no more memory")
	require.Equal(t, n, fill(other, 0, 20), "another subject has the same limit")
	require.LessOrEqual(t, fill(admin, 100, 20), 1, "the limit of the tenant is half of the memory")
	_, err = greedy.RegisterValidator(t.Context(), "v0", small)
	require.NoError(t, err)
	_, err = admin.RegisterValidator(t.Context(), "ours", large)
	require.NoError(t, err, "the memory is free again")
	elsewhere := client(t, srv, newKey(t, srv, controlplane.RoleService, "greedy", func(k *controlplane.Key) { k.Tenant = "elsewhere" }))
	require.Equal(t, n, fill(elsewhere, 0, 20), "another tenant has its own half")
	require.NoError(t, srv.Close())

	restarted := client(t, open(t, withFile), greedyKey)
	_, err = restarted.RegisterValidator(t.Context(), "more", large)
	require.ErrorIs(t, err, aureus.ErrConflict, "registered validators count after a restart too")
}

// Validators registered by older versions, without an owner, stay in force for all
// subjects. A subject's own validator with the same id takes precedence, for that
// subject only.
func TestValidators_OfOlderVersions_StayForAll(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "aureus.db")
	srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: file})
	require.NoError(t, err)
	ledger, payroll := newKey(t, srv, controlplane.RoleService, "ledger"), newKey(t, srv, controlplane.RoleService, "payroll")
	require.NoError(t, srv.Close())
	execute(t, file, `INSERT INTO validators (tenant, scope, owner, id, version, config, registered_by, key_id, registered_at)
		VALUES ('default', 'former', '', 'small', 4, '{"type":"max_size","parameters":{"max":3}}', 'ledger', 'key', 1)`)
	srv = open(t, func(c *controlplane.Config) { c.DB = file })
	for _, key := range []string{ledger, payroll} {
		require.Equal(t, aureus.OutOfScope, judges(t, client(t, srv, key), "small").FailureCode)
		got := raw{method: http.MethodGet, path: "/api/v1/crv/validators/small", key: key}.do(t, srv).json(t)
		require.Equal(t, "former", got["scope"])
	}
	_, err = client(t, srv, ledger).RegisterValidator(t.Context(), "small", maxSizeConfig(1000))
	require.NoError(t, err)
	require.True(t, judges(t, client(t, srv, ledger), "small").Passed)
	require.Equal(t, aureus.OutOfScope, judges(t, client(t, srv, payroll), "small").FailureCode)
	for key, scope := range map[string]string{ledger: "subject", payroll: "former"} {
		got := raw{method: http.MethodGet, path: "/api/v1/crv/validators/small", key: key}.do(t, srv).json(t)
		require.Equal(t, scope, got["scope"])
		require.Len(t, validatorIDs(t, raw{method: http.MethodGet, path: "/api/v1/crv/validators", key: key}.do(t, srv).body), 1)
	}
	_, err = client(t, srv, newKey(t, srv, controlplane.RoleAdmin, "ada")).RegisterValidator(t.Context(), "small", map[string]any{"type": "not_null"})
	require.NoError(t, err)
	require.True(t, judges(t, client(t, srv, payroll), "small").Passed, "an admin's validator takes precedence over both")
}

// An operator lists the validators of every subject of its tenant, page by page, also
// those with the same id.
func TestValidators_ListOfAnOperator_HasThoseOfEverySubject(t *testing.T) {
	t.Parallel()
	srv := open(t)
	for _, subject := range []string{"ledger", "payroll"} {
		for _, id := range []string{"a", "b"} {
			_, err := client(t, srv, newKey(t, srv, controlplane.RoleService, subject)).RegisterValidator(t.Context(), id, maxSizeConfig(3))
			require.NoError(t, err)
		}
	}
	olga := newKey(t, srv, controlplane.RoleOperator, "olga")
	var ids []string
	for path := "/api/v1/crv/validators?limit=1"; path != ""; {
		page := raw{method: http.MethodGet, path: path, key: olga}.do(t, srv)
		ids = append(ids, validatorIDs(t, page.body)...)
		require.Contains(t, page.body, `"subject":"`)
		path = nextPath(page)
	}
	require.Equal(t, []string{"a", "a", "b", "b"}, ids)
	raw{method: http.MethodGet, path: "/api/v1/crv/validators/a", key: olga}.do(t, srv).refusal(t, 404, "NOT_FOUND")
}

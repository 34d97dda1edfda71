package controlplane_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane"
)

// everyTransactionTwice is the prefix of the names of tests in which the servers opened
// by [open] run every transaction twice. The first run is rolled back, as by a database
// that retries a transaction.
const everyTransactionTwice = "TestMainFlows_EveryTransactionRunTwice"

// Running a transaction twice has the effect of running it once: the functions that
// handlers pass to the store keep no state of an attempt that was rolled back.
func TestMainFlows_EveryTransactionRunTwice_GiveTheSame(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	for name, test := range map[string]func(*testing.T){
		"keys":                      TestFirstKey_CalledTwice_IsMadeOnce,
		"keys are checked":          TestKeys_InvalidFields_AreRefused,
		"keys are listed once":      TestKeys_ListedAfterAnAddition_AreThereOnce,
		"keys of other tenants":     TestTenants_OfOneServer_AreKeptApart,
		"approvals":                 TestApprove_EachKindOfPerson_MayOrMayNot,
		"approvals, consumed once":  TestEvaluate_FiftyWithOneApproval_OneIsAllowed,
		"approvals, joined":         TestApprovals_ConcurrentDuplicates_JoinOneApproval,
		"approvals, listed":         TestApprovals_List_IsPaged,
		"approvals, released":       TestOutcome_OfAConsumedApproval_CommitsOrReleasesIt,
		"audit":                     TestAudit_EachKindOfChange_HasAnEntry,
		"audit, reported":           TestReportedDecisions_SentTwice_AreRecordedOnce,
		"outcomes":                  TestOutcomes_Reported_AreRecordedOrRejected,
		"decisions":                 TestGetDecision_WithApprovalGatesAndOutcome_HasThemAll,
		"gates":                     TestGateRecords_ThatContradictThemselves_AreRejected,
		"validators":                TestValidators_OfTheTenant_StandBeforeThoseOfASubject,
		"policy bundles":            TestPolicyBundle_Stored_IsKeptWithItsHistory,
		"policy decisions":          TestDecide_ByBundle_ApprovalIsBoundToWhatTheBundleSays,
		"budgets":                   TestDecide_Budget_IsNeverOverspent,
		"stops":                     TestStops_WithAndWithoutABundle_Deny,
		"workflows by bundle":       TestExecute_ByBundle_DecidesEachTaskByItsTool,
		"workflows":                 TestExecute_Chain_RunsToolsInOrder,
		"workflows with approvals":  TestExecute_TaskNeedsApproval_WaitsAndContinues,
		"workflows with keys":       TestTaskKey_TaskUndone_RunsAgain,
		"workflows that wait":       TestWaitingRun_Status_NamesItsApprovals,
		"workflows of revoked keys": TestRevokedKey_RunUnderWay_IsParked,
		"workflows with limits":     TestWaitingRuns_OfOneSubject_AreBoundedAndLeaveRoomForOthers,
	} {
		t.Run(name, test)
	}
}

// The keys of a store are listed once each, and those that are refused are not added.
func TestKeys_ListedAfterAnAddition_AreThereOnce(t *testing.T) {
	t.Parallel()
	srv := open(t)
	ctx := t.Context()
	added, _, err := srv.Keys().Add(ctx, "olga", controlplane.Key{Tenant: "default", Subject: "svc", Role: controlplane.RoleService})
	require.NoError(t, err)
	require.Equal(t, "svc", added.Subject)
	_, _, err = srv.Keys().Add(ctx, "olga", controlplane.Key{Tenant: "default", Subject: "svc", Role: "root"})
	require.Error(t, err)
	list, err := srv.Keys().List(ctx)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, added.ID, list[0].ID)
}

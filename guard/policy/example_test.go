package policy_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/guard/policy"
)

const accounts = `
aureus: policy/1
name: accounts
version: 1
roles:
  teller: {grants: [{action: read, resource: "accounts/*"}]}
principals:
  clerk-7: {roles: [teller]}
actions:
  account.read:
    tier: low
    requires: [{action: read, resource: "accounts/{id}"}]
    routes: ["GET /accounts/{id}"]
rules:
  - {id: sealed, effect: deny, actions: ["account.*"], when: "arguments.id in params.sealed", reason: the account is sealed}
params: {sealed: [zeta]}
tests:
  - {name: a clerk reads, principal: clerk-7, action: account.read, arguments: {id: acme}, want: allow}
`

func ExampleParse() {
	bundle, err := policy.Parse([]byte(accounts))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s, version %d\n", bundle.Name(), bundle.Version())
	for _, action := range bundle.Actions() {
		fmt.Printf("%s: %s risk, for %v\n", action.ID, action.Tier, action.Roles)
	}
	// Output:
	// accounts, version 1
	// account.read: low risk, for [teller]
}

func ExampleParse_problems() {
	_, err := policy.Parse([]byte(`
aureus: policy/1
name: accounts
version: 1
actions:
  account.read: {tier: low, requires: []}
rules:
  - {id: typo, effect: deny, actions: [account.read], when: "principle.id == 'eve'"}
`))
	failure, _ := errors.AsType[*policy.LoadError](err)
	for _, problem := range failure.Problems {
		fmt.Printf("line %d, column %d\n", problem.Line, problem.Column)
	}
	// Output:
	// line 8, column 61
}

func ExampleEngine() {
	bundle, err := policy.Parse([]byte(accounts))
	if err != nil {
		fmt.Println(err)
		return
	}
	engine, err := policy.New(bundle, policy.Config{}) // an *aureus.Client as Approvals asks people
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, id := range []string{"acme", "zeta"} {
		err := guard.Check(context.Background(), engine, aureus.Request{
			Principal: aureus.Principal{ID: "clerk-7"},
			Action:    aureus.Action{ID: "account.read"},
			Arguments: map[string]any{"id": id},
		})
		fmt.Println(id, err)
	}
	// Output:
	// acme <nil>
	// zeta guard: account.read denied: the account is sealed
}

package main

import (
	"fmt"
	"net/http"
	"net/netip"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/middleware"
)

// largeTransfer is the smallest amount, in euros, for which a person must approve a
// transfer.
const largeTransfer = 1000

// held lists the permissions of each agent. The service stores them; agents
// never send them.
var held = map[string][]aureus.Permission{
	"reader-1": {{Action: "read", Resource: "accounts"}},
	"clerk-7":  {{Action: "read", Resource: "accounts"}, {Action: "write", Resource: "accounts"}},
}

var actions = map[string]aureus.Action{
	"GET /accounts/{id}": {
		ID: "account.read", Name: "Read an account", RiskTier: aureus.TierLow, Intent: aureus.IntentRead,
		RequiredPermissions: []aureus.Permission{{Action: "read", Resource: "accounts"}},
	},
	"POST /transfers": {
		ID: "transfer.make", Name: "Transfer money", RiskTier: aureus.TierMedium, Intent: aureus.IntentWrite,
		RequiredPermissions: []aureus.Permission{{Action: "write", Resource: "accounts"}},
	},
}

// agentOf trusts the header X-Agent of a proxy on this machine only. In a real service,
// use your own authentication instead.
var agentOf = middleware.TrustedHeader("X-Agent", netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))

// describe returns the principal and the action of a request.
func describe(r *http.Request) (aureus.Request, error) {
	who, err := agentOf(r)
	if err != nil {
		return aureus.Request{}, err
	}
	who.Type, who.Permissions = "agent", held[who.ID]

	action, known := actions[r.Pattern]
	if !known {
		return aureus.Request{}, fmt.Errorf("no action is defined for %q", r.Pattern)
	}
	request := aureus.Request{Principal: who, Action: action}
	if r.Pattern == "POST /transfers" {
		transfer, err := readTransfer(r)
		if err != nil {
			return aureus.Request{}, err
		}
		if transfer.Amount >= largeTransfer {
			request.Action.RiskTier = aureus.TierHigh
		}
		request.Arguments = transfer
	}
	return request, nil
}

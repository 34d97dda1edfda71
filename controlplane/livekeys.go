package controlplane

import (
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/store"
)

// The ids of the keys that are in no file.
const (
	inProcessKeyID    = "key_in_process"           // of Server.Client
	operatorKeyPrefix = "key_operator_"            // of Server.Operator
	devOperatorKeyID  = "key_development_operator" // of Config.OperatorKey
)

// keyIsLive reports whether the key may still act: a key of the file that has
// not been revoked, or one of this process. The keys of the clients in the
// process are the host's own, who holds the server, also after a restart.
func (s *Server) keyIsLive(t *store.Tx, tenant, id string) (bool, error) {
	switch {
	case id == inProcessKeyID, strings.HasPrefix(id, operatorKeyPrefix):
		return tenant == s.config.Tenant, nil
	case id == devCaller.keyID:
		return s.config.Dev && tenant == s.config.Tenant, nil
	case id == devOperatorKeyID:
		return s.config.OperatorKey != "" && tenant == s.config.Tenant, nil
	}
	return t.KeyIsLive(tenant, id)
}

// approvalKeysLive reports whether the key that asked for the approval and those
// that approved it may still act. An approval of which one has been revoked
// admits nothing.
func (s *Server) approvalKeysLive(t *store.Tx, tenant string, a aureus.Approval) (bool, error) {
	keys, err := t.ApproverKeys(tenant, a.ID)
	if err != nil {
		return false, err
	}
	for _, id := range append(keys, a.RequestedByKey) {
		if live, err := s.keyIsLive(t, tenant, id); err != nil || !live {
			return false, err
		}
	}
	return true, nil
}

{{- define "kavach.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "kavach.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "kavach.labels" -}}
{{ include "kavach.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "kavach.image" -}}
{{- $repository := required "image.repository: name the image that deploy/docker/Dockerfile builds" .Values.image.repository -}}
{{- if .Values.image.digest -}}{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}{{ $repository }}:{{ default .Chart.AppVersion .Values.image.tag }}{{- end -}}
{{- end -}}

{{- define "kavach.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}{{ default (include "kavach.fullname" .) .Values.serviceAccount.name }}
{{- else -}}{{ default "default" .Values.serviceAccount.name }}{{- end -}}
{{- end -}}

{{- define "kavach.redisSecret" -}}
{{- if and .Values.redis.url .Values.redis.existingSecret -}}{{ fail "redis: give url or existingSecret, not both" }}{{- end -}}
{{- if .Values.redis.existingSecret -}}{{ .Values.redis.existingSecret }}
{{- else -}}
{{- $_ := required "redis: give url, or existingSecret" .Values.redis.url -}}
{{ include "kavach.fullname" . }}-redis
{{- end -}}
{{- end -}}

{{- define "kavach.redisSecretKey" -}}
{{- if .Values.redis.existingSecret -}}{{ .Values.redis.existingSecretKey }}{{- else -}}url{{- end -}}
{{- end -}}

{{- define "kavach.keySecret" -}}
{{- $given := or .Values.keys.data.permitKey .Values.keys.data.manifest .Values.keys.data.root .Values.keys.data.passphrase -}}
{{- if and $given .Values.keys.existingSecret -}}{{ fail "keys: give existingSecret or data, not both" }}{{- end -}}
{{- if .Values.keys.existingSecret -}}{{ .Values.keys.existingSecret }}
{{- else -}}
{{- $_ := required "keys: there is no default key; give existingSecret, or data.permitKey, data.manifest and data.root" .Values.keys.data.permitKey -}}
{{- $_ := required "keys.data.manifest: the root-signed manifest that vouches for the permit key" .Values.keys.data.manifest -}}
{{- $_ := required "keys.data.root: the public key bundle of the root that signed the manifest" .Values.keys.data.root -}}
{{ include "kavach.fullname" . }}-keys
{{- end -}}
{{- end -}}

{{/* Whether audit logs are written, and that they lie where they can stay. */}}
{{- define "kavach.audits" -}}
{{- if .Values.audit.enabled -}}
{{- $_ := required "audit.existingSecret: name the Secret with the key pair that signs the logs" .Values.audit.existingSecret -}}
{{- if not (or .Values.state.existingClaim .Values.audit.allowEmptyDir) -}}
{{- fail "audit: the logs would be gone with their pods: give state.existingClaim, or audit.allowEmptyDir=true where something carries them elsewhere" -}}
{{- end -}}
yes
{{- end -}}
{{- end -}}

{{/* The key inside the Secret of keys that holds their passphrase, or empty. */}}
{{- define "kavach.passphraseKey" -}}
{{- if .Values.keys.existingSecret -}}{{ .Values.keys.passphrase }}
{{- else if .Values.keys.data.passphrase -}}{{ default "passphrase" .Values.keys.passphrase }}
{{- else if .Values.keys.passphrase -}}{{ fail "keys.passphrase: names a file that keys.data does not hold; give keys.data.passphrase" }}
{{- end -}}
{{- end -}}

{{- define "kavach.policyConfigMap" -}}
{{- if and .Values.policies.toml .Values.policies.existingConfigMap -}}{{ fail "policies: give toml or existingConfigMap, not both" }}{{- end -}}
{{- if .Values.policies.existingConfigMap -}}{{ .Values.policies.existingConfigMap }}
{{- else -}}
{{- $_ := required "policies: give toml (--set-file policies.toml=FILE), or existingConfigMap" .Values.policies.toml -}}
{{ include "kavach.fullname" . }}-policies
{{- end -}}
{{- end -}}

{{- define "kavach.policyKey" -}}
{{- if .Values.policies.existingConfigMap -}}{{ .Values.policies.existingConfigMapKey }}{{- else -}}policies.toml{{- end -}}
{{- end -}}

{{- define "kavach.authenticates" -}}
{{- if and .Values.tls.existingSecret .Values.tls.clientAuth -}}yes
{{- else if not .Values.insecure -}}
{{- fail "callers would not be authenticated: give tls.existingSecret (with ca.crt) and tls.clientAuth, or insecure=true where the network keeps strangers out" -}}
{{- end -}}
{{- end -}}

{{- define "quorate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains "quorate" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-quorate" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "quorate.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "quorate.fullname" .) -}}
{{- end -}}

{{/* The network policies of etcd clusters let pods with this name label in: it must not be overridden. */}}
{{- define "quorate.selectorLabels" -}}
app.kubernetes.io/name: quorate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* A label of ours is never given twice: whoever sets it in commonLabels as well gets ours. */}}
{{- define "quorate.labels" -}}
{{- $own := include "quorate.selectorLabels" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version) -}}
{{- merge $own .Values.commonLabels | toYaml -}}
{{- end -}}

{{- define "quorate.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "quorate.subject" -}}
- kind: ServiceAccount
  name: {{ include "quorate.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

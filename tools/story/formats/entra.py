# ruff: noqa: PLR0917 - an event is who, when, where, what: the same order in every writer
"""Entra ID sign-in logs, as Azure Monitor's diagnostic settings deliver them, one JSON object a line."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_letters, digits
from typing import Any

from tools.story.company import TENANT, Person, workstation_of
from tools.story.formats.network import BROWSER
from tools.story.recorder import Story, day_of, digest, guid, iso

PLACES = {  # country: (city, state, latitude, longitude)
    "DE": ("Hamburg", "Hamburg", 53.55, 9.99),
    "NL": ("Rotterdam", "Zuid-Holland", 51.92, 4.48),
    "SG": ("Singapore", "Central Singapore", 1.29, 103.85),
    "US": ("Boston", "Massachusetts", 42.36, -71.06),
    "RO": ("Bucharest", "Bucuresti", 44.43, 26.1),
    "BR": ("Recife", "Pernambuco", -8.05, -34.9),
    "PL": ("Gdansk", "Pomorskie", 54.35, 18.65),
    "AT": ("Wien", "Wien", 48.21, 16.37),
}
APPS = {
    "OfficeHome": "4765445b-32c6-49b0-83e6-1d93765276ca",
    "Microsoft Teams": "1fec8e78-bce4-4aaf-ab1b-5451cc387264",
    "Microsoft Office": "d3590ed6-52b3-4102-aeff-aad2292ab01c",
    "SharePoint Online Web Client Extensibility": "08e18876-6177-487e-b8b5-cf950c1e598c",
    "One Outlook Web": "9199bf20-a13f-4107-85dc-02114787ef48",
    "Azure Portal": "c44b4083-3bb0-49c1-b47d-974e53cbdf3c",
    "Microsoft Exchange Online Protection": "00000007-0000-0ff1-ce00-000000000000",
}
ERRORS = {
    0: "",
    50126: "Error validating credentials due to invalid username or password.",
    50053: "Account is locked because user tried to sign in too many times with an incorrect user ID or password.",
    50074: "Strong Authentication is required.",
    50140: "This error occurred due to 'Keep me signed in' interrupt when the user was signing-in.",
    53003: "Access has been blocked by Conditional Access policies.",
    50055: "The password is expired.",
    500121: "Authentication failed during strong authentication request.",
}


@dataclass(frozen=True)
class Device:
    """What the sign-in came from. An empty `id` is a device that the tenant does not know."""

    id: str
    name: str
    system: str
    browser: str
    agent: str

    def detail(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "deviceId": self.id,
            "displayName": self.name,
            "operatingSystem": self.system,
            "browser": self.browser,
        }
        if self.id:
            found |= {"isCompliant": True, "isManaged": True, "trustType": "Hybrid Azure AD joined"}
        return found


def company_device(person: Person) -> Device:
    """The managed machine of a person."""
    host = workstation_of(person.sam)
    return Device(guid(digest("device", host.name)), host.name, "Windows10", "Edge 129.0.0", f"{BROWSER} Edg/129.0.0.0")


PHONE = Device(
    "",
    "",
    "Ios 18.0",
    "Mobile Safari 18.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
)


def _person(person: Person) -> dict[str, Any]:
    return {
        "userDisplayName": person.name,
        "userPrincipalName": person.upn,
        "userId": guid(digest("object", person.sam)),
        "userType": "Member",
        "resourceTenantId": TENANT,
        "homeTenantId": TENANT,
    }


def _place(address: str, country: str, asn: int) -> dict[str, Any]:
    city, state, latitude, longitude = PLACES[country]
    return {
        "ipAddress": address,
        "autonomousSystemNumber": asn,
        "location": {
            "city": city,
            "state": state,
            "countryOrRegion": country,
            "geoCoordinates": {"latitude": latitude, "longitude": longitude},
        },
    }


def _risk(level: str, events: tuple[str, ...]) -> dict[str, Any]:
    return {
        "riskDetail": "none",
        "riskLevelAggregated": level,
        "riskLevelDuringSignIn": level,
        "riskState": "atRisk" if level != "none" else "none",
        "riskEventTypes_v2": list(events),
    }


def _authentication(at: int, error: int, mfa: str) -> dict[str, Any]:
    required, result = mfa != "none", _policy(error, mfa != "none")
    policy = {
        "id": "0c6b1c53-6c1e-4cb7-9b58-8ad3b2f3a2f1",
        "displayName": "Require MFA outside the offices",
        "enforcedGrantControls": ["Mfa"],
        "enforcedSessionControls": [],
        "result": result,
    }
    return {
        "status": {"errorCode": error} | ({"failureReason": ERRORS[error]} if error else {}),
        "conditionalAccessStatus": result,
        "appliedConditionalAccessPolicies": [policy],
        "authenticationDetails": _steps(at, error, mfa),
        "authenticationRequirement": f"{'multi' if required else 'single'}FactorAuthentication",
        "authenticationProcessingDetails": [{"key": "Legacy TLS (TLS 1.0, 1.1, 3DES)", "value": "False"}],
    }


def sign_in(
    s: Story,
    at: int,
    person: Person,
    address: str,
    country: str,
    asn: int,
    device: Device,
    *,
    app: str = "OfficeHome",
    client: str = "Browser",
    error: int = 0,
    mfa: str = "token",
    interactive: bool = True,
    risk: str = "none",
    risk_events: tuple[str, ...] = (),
) -> None:
    """One sign-in. `mfa`: `token` (met by a claim), `push` (approved now), `denied`, `none` (not asked)."""
    correlation, refreshed = s.uuid(), "primaryRefreshToken" if device.id else "refreshToken"
    properties: dict[str, Any] = {
        "id": s.uuid(),
        "createdDateTime": iso(at, 7) + "Z",
        **_person(person),
        "appId": APPS[app],
        "appDisplayName": app,
        **_place(address, country, asn),
        "clientAppUsed": client,
        "userAgent": device.agent,
        "deviceDetail": device.detail(),
        "correlationId": correlation,
        **_authentication(at, error, mfa),
        "originalRequestId": s.uuid(),
        "isInteractive": interactive,
        "tokenIssuerName": "",
        "tokenIssuerType": "AzureAD",
        "processingTimeInMilliseconds": s.rng.randint(70, 420),
        **_risk(risk, risk_events),
        "resourceDisplayName": "Office 365 Exchange Online" if "Outlook" in app else "Microsoft Graph",
        "resourceId": "00000003-0000-0000-c000-000000000000",
        "servicePrincipalId": "",
        "flaggedForReview": False,
        "isTenantRestricted": False,
        "crossTenantAccessType": "none",
        "uniqueTokenIdentifier": s.token(22, ascii_letters + digits),
        "incomingTokenType": "none" if interactive else refreshed,
        "authenticationProtocol": "ropc" if client == "Authenticated SMTP" else "none",
    }
    s.put(
        f"identity/entra-signins-{day_of(at)}.jsonl.gz",
        at,
        _record(at, person, address, country, error, interactive, properties),
    )


def _record(
    at: int, person: Person, address: str, country: str, error: int, interactive: bool, properties: dict[str, Any]
) -> dict[str, Any]:
    """The envelope that Azure Monitor puts around the sign-in."""
    return {
        "time": iso(at, 7) + "Z",
        "resourceId": f"/tenants/{TENANT}/providers/Microsoft.aadiam",
        "operationName": "Sign-in activity",
        "operationVersion": "1.0",
        "category": "SignInLogs" if interactive else "NonInteractiveUserSignInLogs",
        "tenantId": TENANT,
        "resultType": str(error),
        "resultSignature": "FAILURE" if error else "SUCCESS",
        "resultDescription": ERRORS[error],
        "durationMs": 0,
        "callerIpAddress": address,
        "correlationId": properties["correlationId"],
        "identity": person.name,
        "Level": 4,
        "location": country,
        "properties": properties,
    }


def _policy(error: int, required: bool) -> str:
    return "notApplied" if not required else "failure" if error in (53003, 500121, 50074) else "success"


def _steps(at: int, error: int, mfa: str) -> list[dict[str, Any]]:
    wrong = error in (50126, 50053, 50055)
    first = {
        "authenticationStepDateTime": iso(at, 7) + "Z",
        "authenticationMethod": "Previously satisfied" if mfa == "token" else "Password",
        "succeeded": not wrong,
        "authenticationStepResultDetail": "Invalid username or password"
        if wrong
        else "First factor requirement satisfied by claim in the token"
        if mfa == "token"
        else "Correct password",
        "authenticationStepRequirement": "Primary authentication",
    }
    if mfa in ("none", "token") or wrong:
        return [first]
    detail = "MFA completed in Azure AD" if mfa == "push" else "MFA denied; user declined the authentication"
    second = {
        "authenticationStepDateTime": iso(at + 900, 7) + "Z",
        "authenticationMethod": "Mobile app notification",
        "succeeded": mfa == "push",
        "authenticationStepResultDetail": detail,
        "authenticationStepRequirement": "Multifactor authentication",
    }
    return [first, second]

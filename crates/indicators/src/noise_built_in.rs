//! The built-in noise list.
//!
//! What Windows, browsers and certificate checks do by themselves on every machine, sandboxes included. A value is
//! here only if nobody but its owner can put content there and it serves one narrow purpose. So hosts are exact
//! (`=`), never whole domains, and no content delivery network, file store, redirector or log-in page is listed,
//! however often sandboxes see it: attackers use those.

/// The list, in the form that [`crate::NoiseList::parse`] reads.
pub(crate) const LIST: &str = "
# Is there a network? Asked at every start of Windows, Firefox, Chrome.
=www.msftconnecttest.com
=ipv6.msftconnecttest.com
=www.msftncsi.com
=dns.msftncsi.com
=detectportal.firefox.com
=connectivitycheck.gstatic.com

# Certificate trust lists and the time of day.
=ctldl.windowsupdate.com
=time.windows.com

# Windows: update metadata, telemetry, settings, reputation of programs.
=sls.update.microsoft.com
=fe2cr.update.microsoft.com
=fe3cr.delivery.mp.microsoft.com
=settings-win.data.microsoft.com
=v10.events.data.microsoft.com
=v20.events.data.microsoft.com
=watson.telemetry.microsoft.com
=checkappexec.microsoft.com
=smartscreen-prod.microsoft.com

# Office: settings and its rules for telemetry.
=config.edge.skype.com
=ecs.office.com
=nexusrules.officeapps.live.com

# Revocation and issuers of certificates. The answers are signed; nothing else is served there.
=crl.microsoft.com
=oneocsp.microsoft.com
=ocsp.msocsp.com
http://www.microsoft.com/pki/
http://www.microsoft.com/pkiops/
=ocsp.digicert.com
=crl3.digicert.com
=crl4.digicert.com
=cacerts.digicert.com
=ocsp.globalsign.com
=ocsp2.globalsign.com
=crl.globalsign.com
=crl.globalsign.net
=ocsp.sectigo.com
=crl.sectigo.com
=ocsp.comodoca.com
=crl.comodoca.com
=ocsp.usertrust.com
=crl.usertrust.com
=ocsp.verisign.com
=crl.verisign.com
=ocsp.thawte.com
=crl.thawte.com
=ocsp.entrust.net
=crl.entrust.net
=ocsp.godaddy.com
=crl.godaddy.com
=ocsp.pki.goog
=crl.pki.goog
=o.pki.goog
=c.pki.goog
=ocsp.rootca1.amazontrust.com
=crl.rootca1.amazontrust.com
=x1.c.lencr.org
=x2.c.lencr.org

# Public resolvers. Every network asks them, nobody but their owner answers there.
1.0.0.1
1.1.1.1
8.8.4.4
8.8.8.8
9.9.9.9
149.112.112.112
208.67.220.220
208.67.222.222
2001:4860:4860::8844
2001:4860:4860::8888
2606:4700:4700::1001
2606:4700:4700::1111
2620:fe::fe
";
